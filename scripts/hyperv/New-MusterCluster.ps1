<#
.SYNOPSIS
Makes a cluster of muster from virtual machines on this host: by default three masters and two slaves.

.DESCRIPTION
It makes what is missing and leaves alone what is there, so it can be run again: a second run changes nothing, except that it starts
machines that are off. Every step says what it does; -WhatIf says it without doing it.

The machines run Debian 12. They are on an internal switch, with fixed addresses: masters from .11 on, slaves from .21 on.
docs/deploy/hyper-v.md is the whole way, from an empty host to a failover.

.PARAMETER Masters
How many masters: 3 survive the loss of one, 5 of two. 1 is the original's set-up; it survives nothing.

.PARAMETER Slaves
How many slaves. A second run with more adds them.

.PARAMETER Package
muster's Debian package, for machines that are to be made. Default: the newest dist\muster_*_amd64.deb of this repository.

.PARAMETER BaseImage
A Debian 12 cloud image as a .raw or .vhdx file. Default: it is downloaded once, and checked.

.PARAMETER Path
Where images and disks are kept: 6 GB at first.

.PARAMETER Network
The first three numbers of the machines' network. Default: that of the machines that are there; of the host's NAT, if it has one
(Windows allows only one); and otherwise 192.168.77, for which a switch and a NAT are made.

.PARAMETER SwitchName
The name of the internal switch to make or to use. Default: the one that the machines that are there, or else the host's NAT, are on,
and otherwise Muster.

.PARAMETER Dns
Name servers for the machines. The cluster itself needs none.

.PARAMETER Slots
How many tasks each slave runs at once.

.PARAMETER SshKey
A public key that may log in to the machines, as the user debian. Default: id_ed25519.pub or id_rsa.pub in .ssh of your profile, if there.

.PARAMETER WaitSeconds
How long to wait until the cluster works.

.EXAMPLE
.\New-MusterCluster.ps1 -WhatIf

.EXAMPLE
.\New-MusterCluster.ps1 -Masters 1 -Slaves 2
#>

#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidateRange(1, 9)] [int] $Masters = 3,
    [ValidateRange(0, 99)] [int] $Slaves = 2,
    [string] $Package = '',
    [string] $BaseImage = '',
    [string] $Path = '',
    [ValidatePattern('^$|^\d{1,3}\.\d{1,3}\.\d{1,3}$')] [string] $Network = '',
    [string] $SwitchName = '',
    [string[]] $Dns = @('1.1.1.1', '9.9.9.9'),
    [ValidateRange(1, 1000)] [int] $Slots = 1,
    [string] $SshKey = '',
    [ValidateRange(0, 7200)] [int] $WaitSeconds = 600
)

. (Join-Path $PSScriptRoot 'Muster.ps1')

$ImageUrl = 'https://cloud.debian.org/images/cloud/bookworm/latest'
$ImageName = 'debian-12-genericcloud-amd64.raw'
$DiskBytes = 10gb
$Templates = Join-Path $PSScriptRoot '..\cloud-init'

# Find-Package returns the package to install.
function Find-Package {
    if ($Package) {
        if (-not (Test-Path -LiteralPath $Package -PathType Leaf)) { throw "-Package $Package is not a file." }
        return (Get-Item -LiteralPath $Package).FullName
    }
    $dist = Join-Path $PSScriptRoot '..\..\dist'
    $newest = Get-ChildItem -Path $dist -Filter 'muster_*_amd64.deb' -ErrorAction SilentlyContinue |
        Sort-Object -Property LastWriteTime -Descending | Select-Object -First 1
    if (-not $newest) {
        throw 'There is no package muster_*_amd64.deb in dist. Build it on Linux or in WSL with scripts/package.sh --output dist, or give the file of a release with -Package.'
    }
    return $newest.FullName
}

# Find-SshKey returns the text of the public key that may log in; empty if there is none.
function Find-SshKey {
    $candidates = @($SshKey)
    if (-not $SshKey) {
        $candidates = @('id_ed25519.pub', 'id_rsa.pub') | ForEach-Object { Join-Path (Join-Path $env:USERPROFILE '.ssh') $_ }
    }
    foreach ($file in $candidates) {
        if (Test-Path -LiteralPath $file -PathType Leaf) { return [IO.File]::ReadAllText((Get-Item -LiteralPath $file).FullName).Trim() }
    }
    if ($SshKey) { throw "-SshKey $SshKey is not a file." }
    return ''
}

# Add-VhdFooter makes a raw disk image a fixed VHD, which Convert-VHD reads: 512
# bytes at its end, as Microsoft's "Virtual Hard Disk Image Format Specification" has them.
function Add-VhdFooter([string] $File) {
    $size = (Get-Item -LiteralPath $File).Length
    if ($size % 512) { throw "$File has $size bytes, which is no multiple of 512: it is not a raw disk image." }
    $footer = New-Object byte[] 512
    $put = {
        param([int] $At, [uint64] $Value, [int] $Bytes)
        for ($i = 0; $i -lt $Bytes; $i++) {
            $footer[$At + $Bytes - 1 - $i] = [byte] (($Value -shr (8 * $i)) -band 255)
        }
    }
    [Text.Encoding]::ASCII.GetBytes('conectix').CopyTo($footer, 0)
    & $put 8 2 4                          # features: a reserved bit that is always set
    & $put 12 0x00010000 4                # version of the format
    & $put 16 ([uint64]::MaxValue) 8      # no dynamic header
    [Text.Encoding]::ASCII.GetBytes('must').CopyTo($footer, 28)
    & $put 32 0x00010000 4
    [Text.Encoding]::ASCII.GetBytes('Wi2k').CopyTo($footer, 36)
    & $put 40 ([uint64] $size) 8          # original size
    & $put 48 ([uint64] $size) 8          # current size
    # Cylinders, heads and sectors: only the size counts for a disk of this kind,
    # and the largest geometry is always allowed.
    & $put 56 65535 2
    & $put 58 16 1
    & $put 59 255 1
    & $put 60 2 4                         # a fixed disk
    [guid]::NewGuid().ToByteArray().CopyTo($footer, 68)
    $sum = [uint64] 0
    foreach ($byte in $footer) { $sum += $byte }
    & $put 64 (4294967295 - $sum) 4       # checksum: the complement of the sum of all bytes
    $stream = [IO.File]::Open($File, [IO.FileMode]::Append)
    try { $stream.Write($footer, 0, 512) } finally { $stream.Dispose() }
}

# Get-RawImage returns a raw image to convert, which may be changed.
function Get-RawImage([string] $Folder) {
    $copy = Join-Path $Folder 'image.vhd'
    if ($BaseImage) {
        Copy-Item -LiteralPath $BaseImage -Destination $copy -Force
        Set-ItemProperty -LiteralPath $copy -Name IsReadOnly -Value $false
        return $copy
    }
    Write-Step "downloading $ImageUrl/$ImageName (about 3 GB)"
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    try {
        Invoke-WebRequest -Uri "$ImageUrl/$ImageName" -OutFile $copy -UseBasicParsing
        $sums = [string] (Invoke-RestMethod -Uri "$ImageUrl/SHA512SUMS" -UseBasicParsing)
    } catch {
        throw "The image can't be downloaded: $($_.Exception.Message) Download $ImageUrl/$ImageName on another machine and give the file with -BaseImage."
    }
    $line = $sums.Split("`n") | Where-Object { $_.Trim().EndsWith(" $ImageName") } | Select-Object -First 1
    $hash = (Get-FileHash -LiteralPath $copy -Algorithm SHA512 -ErrorAction Stop).Hash
    if (-not $line -or $line.Trim().Split(' ')[0] -ne $hash) {
        Remove-Item -LiteralPath $copy
        throw "The downloaded image is not what SHA512SUMS says it should be. Run this again; if it happens twice, don't use it."
    }
    return $copy
}

# Initialize-BaseDisk makes the disk that all machines' disks build on.
function Initialize-BaseDisk([string] $Disk) {
    if (Test-Path -LiteralPath $Disk) {
        Write-Step "image: $Disk is there"
        return
    }
    if ($BaseImage -and -not (Test-Path -LiteralPath $BaseImage -PathType Leaf)) { throw "-BaseImage $BaseImage is not a file." }
    if ($BaseImage -and $BaseImage -notmatch '\.(raw|vhdx)$') {
        throw "-BaseImage $BaseImage is neither .raw nor .vhdx. Take debian-12-genericcloud-amd64.raw, or convert it: qemu-img convert -O raw $BaseImage image.raw"
    }
    if (-not $PSCmdlet.ShouldProcess($Disk, 'make the disk of the Debian image that all machines build on')) { return }
    $folder = Split-Path -Parent $Disk
    New-Item -ItemType Directory -Path $folder -Force | Out-Null
    $new = Join-Path $folder 'new.vhdx'
    if (Test-Path -LiteralPath $new) { Remove-Item -LiteralPath $new -Force }
    if ($BaseImage -like '*.vhdx') {
        Copy-Item -LiteralPath $BaseImage -Destination $new
        # The copy of a file that may not be written, like another host's base disk, may not either.
        Set-ItemProperty -LiteralPath $new -Name IsReadOnly -Value $false
    } else {
        $raw = Get-RawImage $folder
        Write-Step 'converting the image to VHDX'
        Add-VhdFooter $raw
        Convert-VHD -Path $raw -DestinationPath $new -VHDType Dynamic
        Remove-Item -LiteralPath $raw
    }
    # The log needs room; cloud-init makes the file system as large as the disk.
    if ((Get-VHD -Path $new).Size -lt $DiskBytes) { Resize-VHD -Path $new -SizeBytes $DiskBytes }
    Rename-Item -LiteralPath $new -NewName (Split-Path -Leaf $Disk)
    Set-ItemProperty -LiteralPath $Disk -Name IsReadOnly -Value $true
    Write-Step "image: $Disk is made"
}

# Get-HostAddress returns this host's IPv4 addresses on an internal switch.
function Get-HostAddress([string] $SwitchName) {
    Get-NetIPAddress -InterfaceAlias "vEthernet ($SwitchName)" -AddressFamily IPv4 -ErrorAction SilentlyContinue
}

# Get-Nat returns the NAT networks of this host. What Windows does for its own
# "Default Switch" is not among them.
function Get-Nat {
    Get-NetNat -ErrorAction SilentlyContinue | Where-Object { $_.InternalIPInterfaceAddressPrefix }
}

# Test-InPrefix says whether an IPv4 address lies in a prefix like 192.168.77.0/24.
function Test-InPrefix([string] $Address, [string] $Prefix) {
    $network, $bits = $Prefix.Split('/')
    $number = {
        param([string] $Text)
        $bytes = [Net.IPAddress]::Parse($Text).GetAddressBytes()
        [Array]::Reverse($bytes)
        [BitConverter]::ToUInt32($bytes, 0)
    }
    $size = [math]::Pow(2, 32 - [int] $bits)
    [math]::Floor((& $number $Address) / $size) -eq [math]::Floor((& $number $network) / $size)
}

# Resolve-Network decides where the machines are: where the cluster's other machines
# are; on the network of the host's NAT, if nothing else was asked for; or on a new one.
function Resolve-Network([object[]] $There) {
    $wanted = $Network
    $name = $SwitchName
    if ($There.Count -gt 0) {
        $wanted = Get-NetworkOf $There[0].Address
        $name = [string] (Get-VMNetworkAdapter -VM $There[0].VM | Select-Object -First 1 | ForEach-Object { $_.SwitchName })
        if (($Network -and $Network -ne $wanted) -or ($SwitchName -and $name -and $SwitchName -ne $name)) {
            throw "The cluster's machines are on the network $wanted and the switch $name. Leave out -Network and -SwitchName, or remove the cluster first: .\Remove-MusterCluster.ps1"
        }
    }
    foreach ($nat in @(Get-Nat)) {
        foreach ($candidate in @(Get-VMSwitch -SwitchType Internal)) {
            foreach ($address in @(Get-HostAddress $candidate.Name)) {
                # The plan of addresses needs the room of a /24.
                if ($address.PrefixLength -gt 24 -or -not (Test-InPrefix $address.IPAddress $nat.InternalIPInterfaceAddressPrefix)) { continue }
                $of = Get-NetworkOf $address.IPAddress
                if ((-not $wanted -or $wanted -eq $of) -and (-not $name -or $name -eq $candidate.Name)) {
                    return [pscustomobject] @{ Network = $of; Switch = $candidate.Name; Gateway = $address.IPAddress; Prefix = $address.PrefixLength; Nat = $nat.Name }
                }
            }
        }
    }
    if (-not $wanted) { $wanted = $MusterNetwork }
    if (-not $name) { $name = $MusterSwitch }
    return [pscustomobject] @{ Network = $wanted; Switch = $name; Gateway = "$wanted.1"; Prefix = 24; Nat = '' }
}

# Initialize-Network makes switch, host address and NAT, as far as they are missing.
function Initialize-Network([object] $Net) {
    $switchThere = Get-VMSwitch -Name $Net.Switch -ErrorAction SilentlyContinue
    if ($switchThere) {
        if ($switchThere.SwitchType -ne 'Internal') {
            throw "The switch $($Net.Switch) is of the kind $($switchThere.SwitchType); the machines need an internal one, as this host is their way out. Give another name with -SwitchName: it is made."
        }
        Write-Step "switch: $($Net.Switch) is there"
    } elseif ($PSCmdlet.ShouldProcess($Net.Switch, 'make an internal switch')) {
        New-VMSwitch -Name $Net.Switch -SwitchType Internal -Notes "$MusterMark the switch of its machines" | Out-Null
        Write-Step "switch: $($Net.Switch) is made"
    }
    $address = @(Get-HostAddress $Net.Switch | Where-Object { $_.IPAddress -eq $Net.Gateway })
    if ($address.Count -gt 0) {
        Write-Step "this host: $($Net.Gateway) on switch $($Net.Switch) is there"
    } elseif ($PSCmdlet.ShouldProcess("vEthernet ($($Net.Switch))", "give this host the address $($Net.Gateway)/$($Net.Prefix)")) {
        New-NetIPAddress -InterfaceAlias "vEthernet ($($Net.Switch))" -IPAddress $Net.Gateway -PrefixLength $Net.Prefix -ErrorAction Stop | Out-Null
        Write-Step "this host: has $($Net.Gateway) on switch $($Net.Switch)"
    }
    $nats = @(Get-Nat)
    $own = $nats | Where-Object { $_.InternalIPInterfaceAddressPrefix -eq "$($Net.Network).0/24" } | Select-Object -First 1
    if ($Net.Nat) {
        Write-Step "NAT: $($Net.Nat) is there and is used"
    } elseif ($own) {
        Write-Step "NAT: $($own.Name) is there"
    } elseif ($nats.Count -gt 0) {
        Write-Step "NAT: the host's one is for $($nats[0].InternalIPInterfaceAddressPrefix), so the machines don't reach the internet; the cluster does not need it"
    } elseif ($PSCmdlet.ShouldProcess("$($Net.Network).0/24", 'make the NAT network of this host')) {
        New-NetNat -Name $MusterSwitch -InternalIPInterfaceAddressPrefix "$($Net.Network).0/24" -ErrorAction Stop | Out-Null
        Write-Step "NAT: $MusterSwitch is made for $($Net.Network).0/24"
    }
}

# New-Seed makes the small disk that tells a machine who it is: FAT32, labelled
# CIDATA, with cloud-init's files and the package on it.
function New-Seed([string] $File, [object] $Machine, [hashtable] $Words, [string] $PackageFile) {
    $folder = Join-Path (Split-Path -Parent $File) 'seed'
    New-Item -ItemType Directory -Path $folder -Force | Out-Null
    Expand-Template (Join-Path $Templates 'meta-data') $Words (Join-Path $folder 'meta-data')
    Expand-Template (Join-Path $Templates 'network-config') $Words (Join-Path $folder 'network-config')
    Expand-Template (Join-Path $Templates "user-data.$($Machine.Role)") $Words (Join-Path $folder 'user-data')
    Copy-Item -LiteralPath $PackageFile -Destination (Join-Path $folder 'muster.deb') -Force
    if (Test-Path -LiteralPath $File) { Remove-Item -LiteralPath $File }
    New-VHD -Path $File -SizeBytes 128MB -Dynamic | Out-Null
    $mounted = Mount-VHD -Path $File -Passthru
    try {
        $number = ($mounted | Get-Disk -ErrorAction Stop).Number
        Initialize-Disk -Number $number -PartitionStyle MBR -ErrorAction Stop
        $partition = New-Partition -DiskNumber $number -UseMaximumSize -ErrorAction Stop
        Format-Volume -Partition $partition -FileSystem FAT32 -NewFileSystemLabel CIDATA -Confirm:$false -ErrorAction Stop | Out-Null
        # A letter only now: Windows asks to format a new volume that has one.
        Add-PartitionAccessPath -DiskNumber $number -PartitionNumber $partition.PartitionNumber -AssignDriveLetter -ErrorAction Stop
        $letter = (Get-Partition -DiskNumber $number -PartitionNumber $partition.PartitionNumber -ErrorAction Stop).DriveLetter
        # Not with Copy-Item: PowerShell may not know a drive yet that is this new.
        foreach ($source in @(Get-ChildItem -LiteralPath $folder)) {
            [IO.File]::Copy($source.FullName, "${letter}:\$($source.Name)")
        }
    } finally {
        Dismount-VHD -Path $File
    }
}

# New-Machine makes one machine and starts it.
function New-Machine([object] $Machine, [object] $Net, [string] $BaseDisk, [string] $Folder, [hashtable] $Words, [string] $PackageFile) {
    if (Test-Connection -ComputerName $Machine.Address -Count 1 -Quiet) {
        throw "Something answers at $($Machine.Address) already, which is to be the address of $($Machine.VMName). Give another network with -Network, or end what is there."
    }
    New-Item -ItemType Directory -Path $Folder -Force | Out-Null
    $disk = Join-Path $Folder 'disk.vhdx'
    $seed = Join-Path $Folder 'seed.vhdx'
    # An earlier run may have been interrupted: what it left has no machine.
    if (Test-Path -LiteralPath $disk) { Remove-Item -LiteralPath $disk }
    New-VHD -Path $disk -ParentPath $BaseDisk -Differencing | Out-Null
    New-Seed $seed $Machine $Words $PackageFile

    $vm = New-VM -Name $Machine.VMName -Generation 2 -MemoryStartupBytes 1GB -VHDPath $disk -SwitchName $Net.Switch -Path $Folder
    try {
        $settings = @{ VM = $vm; AutomaticStartAction = 'Start'; AutomaticStopAction = 'ShutDown'; CheckpointType = 'Disabled' }
        # Windows Server 2016 does not have it.
        if ((Get-Command -Name Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) { $settings['AutomaticCheckpointsEnabled'] = $false }
        Set-VM @settings
        Set-VMMemory -VM $vm -DynamicMemoryEnabled $false
        Set-VMProcessor -VM $vm -Count 2
        # The disk comes before the network, where nothing answers that could start a machine.
        Set-VMFirmware -VM $vm -EnableSecureBoot On -SecureBootTemplate 'MicrosoftUEFICertificateAuthority' -FirstBootDevice (Get-VMHardDiskDrive -VM $vm)
        Set-VMNetworkAdapter -VM $vm -StaticMacAddress ($Machine.Mac.Replace(':', '').ToUpperInvariant())
        Add-VMHardDiskDrive -VM $vm -Path $seed
        # The mark comes last: a machine that has it is complete.
        Set-VM -VM $vm -Notes "$MusterMark $($Machine.Role) $($Machine.Id) $($Machine.Address) $Masters"
    } catch {
        Remove-VM -VM $vm -Force
        throw
    }
    Start-VM -VM $vm
}

# Wait-Cluster waits until every master is ready and every slave alive.
function Wait-Cluster([object[]] $Plan) {
    $masterPlan = @($Plan | Where-Object { $_.Role -eq 'master' })
    $end = (Get-Date).AddSeconds($WaitSeconds)
    while ($true) {
        $ready = 0
        $alive = 0
        foreach ($machine in $masterPlan) {
            $status = Get-MusterStatus $machine.Address
            if ($status -and $status.ready) {
                $ready++
                $alive = [math]::Max($alive, [int] $status.capacity.slaves)
            }
        }
        if ($ready -eq $masterPlan.Count -and $alive -ge $Slaves) { return }
        if ((Get-Date) -gt $end) {
            throw "After $WaitSeconds seconds $ready of $($masterPlan.Count) masters are ready and $alive of $Slaves slaves alive. Look at a machine's screen (vmconnect localhost muster-m1): cloud-init's last lines say what went wrong there. Run this again to go on waiting."
        }
        Start-Sleep -Seconds 2
    }
}

# Show-Cluster prints the addresses and what to type first.
function Show-Cluster([object[]] $Plan) {
    $first = ($Plan | Where-Object { $_.Role -eq 'master' } | Select-Object -First 1).Address
    Write-Host ''
    $table = $Plan | Format-Table -Property @('Id', 'Role', 'Address', 'VMName') -AutoSize | Out-String
    Write-Host $table.Trim()
    Write-Host ''
    Write-Host 'The first task, in Windows PowerShell:'
    Write-Host "  curl.exe -sL http://${first}:8101/v1/tasks -d '{\""expression\"": \""6*7\""}'"
    Write-Host "  curl.exe -s http://${first}:8101/get-tasks"
    Write-Host 'The failover:'
    Write-Host '  .\Stop-MusterLeader.ps1'
}

Assert-HyperV
# Absolute: .NET's methods don't know PowerShell's current directory.
$root = if ($Path) { $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Path) } else { $MusterPath }
$there = @(Get-MusterVM)
$net = Resolve-Network $there
$plan = @(Get-MusterPlan $Masters $Slaves $net.Network)

# What the machines were made with counts, not how many are there: a first run may have been interrupted.
if ($there.Count -gt 0 -and $there[0].Masters -ne $Masters) {
    throw "This host has a cluster of $($there[0].Masters) master(s), and -Masters is $Masters. The founding masters are fixed: remove the cluster first (.\Remove-MusterCluster.ps1), or give -Masters $($there[0].Masters)."
}

# Package and image are needed only for machines that are missing.
$idsThere = @($there | ForEach-Object { $_.Id })
$missing = @($plan | Where-Object { $idsThere -notcontains $_.Id })
$packageFile = if ($missing.Count -gt 0) { Find-Package } else { '' }
$key = Find-SshKey

Write-Host "A cluster of $Masters master(s) and $Slaves slave(s) on $($net.Network).0/$($net.Prefix)"
$baseDisk = Join-Path $root 'base\debian-12.vhdx'
if ($missing.Count -gt 0) { Initialize-BaseDisk $baseDisk }
Initialize-Network $net

$masterPlan = @($plan | Where-Object { $_.Role -eq 'master' })
$common = @{
    PREFIX   = $net.Prefix
    GATEWAY  = $net.Gateway
    DNS      = '["' + ($Dns -join '", "') + '"]'
    SLOTS    = $Slots
    FOUNDERS = ($masterPlan | ForEach-Object { "$($_.Id)=$($_.Address):7101=http://$($_.Address):8101" }) -join ','
    MASTERS  = ($masterPlan | ForEach-Object { "http://$($_.Address):8101" }) -join ','
    # In single quotes: Windows writes DOMAIN\user at the end of a key, and YAML reads \u in double ones.
    SSH_KEYS = if ($key) { "ssh_authorized_keys: ['" + $key.Replace("'", "''") + "']" } else { '# No SSH key was given: nobody can log in from outside.' }
    PACKAGE  = 'muster.deb'
    SHA256   = if ($packageFile) { (Get-FileHash -LiteralPath $packageFile -Algorithm SHA256 -ErrorAction Stop).Hash.ToLowerInvariant() } else { '' }
}
foreach ($machine in $plan) {
    $vm = Get-VM -Name $machine.VMName -ErrorAction SilentlyContinue
    if ($vm -and $vm.Notes -notlike "$MusterMark*") {
        throw "There is a machine $($machine.VMName) that these scripts did not make, or did not finish. Rename it, or remove it with Remove-VM."
    }
    if ($vm -and $vm.State -eq 'Running') {
        Write-Step "$($machine.VMName): is there and runs"
    } elseif ($vm) {
        if ($PSCmdlet.ShouldProcess($machine.VMName, 'start the machine')) {
            Start-VM -VM $vm
            Write-Step "$($machine.VMName): is there and is started"
        }
    } elseif ($PSCmdlet.ShouldProcess($machine.VMName, "make a machine at $($machine.Address) and start it")) {
        $words = $common.Clone()
        $words['HOSTNAME'] = $machine.VMName
        $words['ID'] = $machine.Id
        $words['ADDRESS'] = $machine.Address
        $words['MAC'] = $machine.Mac
        New-Machine $machine $net $baseDisk (Join-Path $root $machine.Id) $words $packageFile
        Write-Step "$($machine.VMName): is made at $($machine.Address) and started"
    }
}

if (-not $WhatIfPreference) {
    if ($WaitSeconds -gt 0) {
        Write-Step 'waiting until all masters are ready and all slaves alive (a minute or two at the first start)'
        Wait-Cluster $plan
    }
    Show-Cluster $plan
}
