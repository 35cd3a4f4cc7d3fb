# What the scripts in this folder share. It is dot-sourced by them and does
# nothing by itself. Windows PowerShell 5.1; ASCII only, as 5.1 reads a file
# without a mark in the machine's own code page.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
# 5.1 draws a progress bar for each block of a download, which takes most of the time.
$ProgressPreference = 'SilentlyContinue'

# Each machine of the cluster carries this in its notes, followed by its role, id,
# address and how many masters the cluster was made with; so the scripts know their
# own machines from others.
$MusterMark = 'muster:'

# The switch and the NAT network that are made if the host has none.
$MusterSwitch = 'Muster'
$MusterNetwork = '192.168.77'

# Where images and disks are kept, unless -Path says otherwise.
$MusterPath = Join-Path $env:ProgramData 'Muster'

# $ErrorActionPreference is heard by cmdlets, and not by functions of modules: those
# of Storage, NetTCPIP and NetNat, and Get-FileHash. They are given -ErrorAction.

function Write-Step([string] $Text) {
    Write-Host "  $Text"
}

# Assert-HyperV stops with what to do if this host can't run machines.
function Assert-HyperV {
    if (-not (Get-Module -ListAvailable -Name Hyper-V)) {
        throw 'The PowerShell module Hyper-V is missing. Turn Hyper-V on: Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All (on a server: Install-WindowsFeature Hyper-V -IncludeManagementTools), then restart Windows.'
    }
    $service = Get-Service -Name vmms -ErrorAction SilentlyContinue
    if (-not $service -or $service.Status -ne 'Running') {
        throw 'The service Hyper-V Virtual Machine Management (vmms) is not running. Start it (Start-Service vmms), or turn Hyper-V on and restart Windows.'
    }
}

# Get-MusterPlan lists the machines of a cluster: masters from .11 on, slaves from
# .21 on. scripts/cloud-init/seeds.sh makes the same plan.
function Get-MusterPlan([int] $Masters, [int] $Slaves, [string] $Network) {
    for ($i = 1; $i -le $Masters; $i++) {
        New-MusterMachine -Id "m$i" -Role 'master' -Network $Network -Number (10 + $i)
    }
    for ($i = 1; $i -le $Slaves; $i++) {
        New-MusterMachine -Id "slave-$i" -Role 'slave' -Network $Network -Number (20 + $i)
    }
}

function New-MusterMachine([string] $Id, [string] $Role, [string] $Network, [int] $Number) {
    $third = [int] ($Network.Split('.')[2])
    [pscustomobject] @{
        Id      = $Id
        Role    = $Role
        VMName  = "muster-$Id"
        Address = "$Network.$Number"
        # 00-15-5D is Hyper-V's own range.
        Mac     = '00:15:5d:4d:{0:x2}:{1:x2}' -f $third, $Number
    }
}

# Get-MusterVM returns the machines that these scripts made.
function Get-MusterVM {
    Get-VM | Sort-Object -Property Name | ForEach-Object {
        if ($_.Notes -match "^$MusterMark (\S+) (\S+) (\S+) (\d+)") {
            [pscustomobject] @{ VM = $_; Role = $Matches[1]; Id = $Matches[2]; Address = $Matches[3]; Masters = [int] $Matches[4] }
        }
    }
}

# Get-NetworkOf returns the first three numbers of an IPv4 address.
function Get-NetworkOf([string] $Address) {
    $Address.Substring(0, $Address.LastIndexOf('.'))
}

# Expand-Template fills the words between @ signs in a template of cloud-init.
# It writes Unix line ends, whatever git made of the template.
function Expand-Template([string] $Template, [hashtable] $Words, [string] $Destination) {
    $text = [IO.File]::ReadAllText($Template).Replace("`r`n", "`n")
    foreach ($word in $Words.Keys) {
        $text = $text.Replace("@$word@", [string] $Words[$word])
    }
    $rest = [regex]::Match($text, '@[A-Z0-9_]+@')
    if ($rest.Success) {
        throw "$Template has the word $($rest.Value), which nothing fills in. Are these scripts and scripts\cloud-init of the same version?"
    }
    [IO.File]::WriteAllText($Destination, $text, (New-Object System.Text.UTF8Encoding $false))
}

# Get-MusterStatus asks a master how it is; nothing if it does not answer.
function Get-MusterStatus([string] $Address) {
    # Directly: the machines are behind no proxy that Windows has for the internet.
    $session = New-Object Microsoft.PowerShell.Commands.WebRequestSession
    $session.Proxy = New-Object System.Net.WebProxy
    try {
        Invoke-RestMethod -Uri "http://${Address}:8101/v1/status" -WebSession $session -TimeoutSec 3 -UseBasicParsing
    } catch {
        $null
    }
}

# Get-MusterLeader returns the leader as the masters know it: the answer of the
# highest term counts, as a master that is cut off may name an old one.
function Get-MusterLeader([object[]] $Machines) {
    $newest = $null
    foreach ($machine in @($Machines | Where-Object { $_.Role -eq 'master' -and $_.VM.State -eq 'Running' })) {
        $status = Get-MusterStatus $machine.Address
        if ($status -and $status.PSObject.Properties['leader_id'] -and $status.leader_id -and (-not $newest -or $status.term -gt $newest.term)) {
            $newest = $status
        }
    }
    if ($newest) { $newest.leader_id } else { $null }
}
